{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with versions as (

    select
        *,
        version_number = 1
        or {{ differs('status', 'status_before') }}
        or {{ differs('vendor_status', 'vendor_status_before') }}
        or {{ differs('assignee_user_id', 'assignee_user_id_before') }}
        or {{ differs('priority', 'priority_before') }}
        or {{ differs('category', 'category_before') }} as starts_period
    from {{ due(ref('int_ticket_versions_ordered')) }} as versions

),

tickets as (

    select * from {{ due(ref('int_tickets_stated')) }} as tickets

),

period_starts as (

    select
        versions.*,
        tickets.calendar,
        tickets.opened_at,
        row_number() over ticket as period_number,
        lead(versions.changed_at) over ticket as ended_at,
        lead(versions.version_number) over ticket is null as is_current
    from versions
    inner join tickets
        on
            versions.connection_id = tickets.connection_id
            and versions.ticket_id = tickets.ticket_id
    where versions.starts_period
    window ticket as (partition by versions.connection_id, versions.ticket_id order by versions.version_number)

),

sourced_periods as (

    select
        *,
        case
            when period_number > 1 then 'change'
            when status = 'closed' and closed_at is not null then 'closed_at'
            when status <> 'closed' and not is_baseline and opened_at is not null then 'opened'
            else 'unknown'
        end as start_source
    from period_starts

),

periods as (

    select
        *,
        case start_source
            when 'change' then changed_at
            when 'opened' then opened_at
            when 'closed_at' then closed_at
        end as started_at
    from sourced_periods

)

select
    periods.connection_id,
    periods.ticket_id,
    periods.period_number,
    periods.integration_type,
    periods.status,
    periods.vendor_status,
    periods.assignee_user_id,
    periods.priority,
    periods.category,
    periods.started_at,
    periods.start_source,
    periods.observed_by as observed_from,
    periods.ended_at,
    case
        when {{ in_order('periods.started_at', 'periods.ended_at') }}
            then {{ seconds_between('periods.started_at', 'periods.ended_at') }}
    end as seconds,
    case
        when {{ in_order('periods.started_at', 'periods.ended_at') }}
            then
                {{ business_place('end_opening', 'periods.ended_at') }}
                - {{ business_place('start_opening', 'periods.started_at') }}
    end as business_seconds,
    periods.is_current,
    periods.period_number > 1 and periods.has_own_status and {{ differs('periods.status', 'periods.status_before') }}
        as has_own_status
from periods
{{ join_opening('start_opening', 'periods.calendar', 'periods.started_at') }}
{{ join_opening('end_opening', 'periods.calendar', 'periods.ended_at') }}
