-- Where a ticket's last state by order is also the one that was seen last, and of the same change as the ticket itself. A warning,
-- for it hangs on what was stored: a state that was read and not kept, or kept and not read.
{{ config(severity='warn') }}

with last_versions as (

    select
        connection_id,
        ticket_id,
        max(updated_at) as updated_at,
        max(observed_at) as observed_at
    from {{ ref('stg_unified__ticket_versions') }}
    group by connection_id, ticket_id

),

last_states as (

    select
        *,
        row_number() over (partition by connection_id, ticket_id order by version_number desc) as number_from_last,
        count(*) over (partition by connection_id, ticket_id, observed_by) as seen_at_once_count
    from {{ ref('int_ticket_versions_ordered') }}

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.status,
    periods.status as last_status,
    tickets.assignee_user_id,
    periods.assignee_user_id as last_assignee_user_id
from {{ ref('tickets') }} as tickets
inner join last_versions
    on
        tickets.connection_id = last_versions.connection_id
        and tickets.ticket_id = last_versions.ticket_id
        and tickets.updated_at = last_versions.updated_at
inner join last_states
    on
        tickets.connection_id = last_states.connection_id
        and tickets.ticket_id = last_states.ticket_id
        and last_versions.observed_at = last_states.observed_by
        and last_states.number_from_last = 1
        and last_states.seen_at_once_count = 1
left join {{ ref('ticket_periods') }} as periods
    on
        tickets.connection_id = periods.connection_id
        and tickets.ticket_id = periods.ticket_id
        and periods.is_current
where
    periods.ticket_id is null
    or periods.status <> tickets.status
    or {{ differs('periods.assignee_user_id', 'tickets.assignee_user_id') }}
    or {{ differs('periods.priority', 'tickets.priority') }}
