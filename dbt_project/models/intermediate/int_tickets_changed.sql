with versions as (

    select * from {{ due(ref('int_ticket_versions_ordered')) }} as versions

),

tickets as (

    select * from {{ due(ref('int_tickets_stated')) }} as tickets

),

first_versions as (

    select
        versions.connection_id,
        versions.ticket_id,
        versions.closed_at as first_closed_at,
        versions.status = 'closed' as is_first_closed,
        versions.observed_by as history_since_at,
        coalesce(
            not versions.is_baseline
            and (
                {{ seconds_between('tickets.opened_at', 'versions.observed_by') }} <= {{ var('history_gap_seconds') }}
                or {{ seconds_between('tickets.opened_at', 'versions.updated_at') }} <= 0
            ),
            false
        ) as is_history_complete
    from versions
    inner join tickets
        on
            versions.connection_id = tickets.connection_id
            and versions.ticket_id = tickets.ticket_id
    where versions.version_number = 1

),

changes as (

    select
        connection_id,
        ticket_id,
        cast(sum(case when is_reopening then 1 else 0 end) as bigint) as reopen_count,
        cast(sum(case when is_reassignment then 1 else 0 end) as bigint) as reassignment_count,
        min(case when is_closing then changed_at end) as first_closed_at
    from {{ due(ref('ticket_changes')) }} as changes
    group by connection_id, ticket_id

),

unassigned_periods as (

    select
        connection_id,
        ticket_id,
        cast(sum(seconds) as bigint) as unassigned_seconds,
        count(*) - count(seconds) as untold_count
    from {{ due(ref('ticket_periods')) }} as periods
    where status <> 'closed' and assignee_user_id is null and not is_current
    group by connection_id, ticket_id

)

select
    first_versions.connection_id,
    first_versions.ticket_id,
    first_versions.history_since_at,
    first_versions.is_history_complete,
    coalesce(changes.reopen_count, 0) as observed_reopen_count,
    case when first_versions.is_history_complete then coalesce(changes.reopen_count, 0) end as reopen_count,
    case when first_versions.is_history_complete then coalesce(changes.reassignment_count, 0) end
        as reassignment_count,
    case
        when not first_versions.is_history_complete then null
        when first_versions.is_first_closed then first_versions.first_closed_at
        else changes.first_closed_at
    end as first_closed_at,
    case
        when first_versions.is_history_complete and coalesce(unassigned_periods.untold_count, 0) = 0
            then coalesce(unassigned_periods.unassigned_seconds, 0)
    end as unassigned_seconds
from first_versions
left join changes
    on
        first_versions.connection_id = changes.connection_id
        and first_versions.ticket_id = changes.ticket_id
left join unassigned_periods
    on
        first_versions.connection_id = unassigned_periods.connection_id
        and first_versions.ticket_id = unassigned_periods.ticket_id
