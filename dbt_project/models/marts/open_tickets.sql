with tickets as (

    select
        tickets.*,
        connections.calendar
    from {{ ref('tickets') }} as tickets
    left join {{ ref('int_connections_covered') }} as connections
        on tickets.connection_id = connections.connection_id
    where
        not tickets.is_closed
        and not tickets.is_deleted
        and tickets.kind not in ('spam', 'merged')

),

customers as (

    select
        connection_id,
        customer_id,
        {{ has_vip_tag('tags') }} as is_vip
    from {{ ref('stg_unified__customers') }}

),

calendars as (

    select * from {{ ref('int_calendars_now') }}

),

-- The clock on the wall.
clock as (

    select * from calendars
    where calendar = ''

),

running_slas as (

    select
        connection_id,
        ticket_id,
        sum(case when outcome = 'overdue' then 1 else 0 end) as overdue_sla_count,
        sum(case when is_at_risk then 1 else 0 end) as at_risk_sla_count,
        min(due_at) as next_due_at
    from {{ ref('sla_outcomes') }}
    where is_running
    group by connection_id, ticket_id

),

current_periods as (

    select * from {{ ref('ticket_periods') }}
    where is_current and status <> 'closed' and assignee_user_id is null

)

select
    tickets.connection_id,
    tickets.ticket_id,
    tickets.integration_type,
    tickets.customer_id,
    tickets.customer_name,
    tickets.assignee_user_id,
    tickets.assignee_name,
    tickets.category_name,
    tickets.subject,
    tickets.priority,
    tickets.vendor_status,
    tickets.url,
    tickets.opened_at,
    case
        when {{ in_order('tickets.opened_at', 'clock.as_of') }}
            then {{ seconds_between('tickets.opened_at', 'clock.as_of') }}
    end as open_seconds,
    case
        when {{ in_order('tickets.opened_at', 'clock.as_of') }}
            then calendars.place - {{ business_place('open_opening', 'tickets.opened_at') }}
    end as open_business_seconds,
    tickets.waiting_on,
    tickets.waiting_since_at,
    case
        when {{ in_order('tickets.waiting_since_at', 'clock.as_of') }}
            then {{ seconds_between('tickets.waiting_since_at', 'clock.as_of') }}
    end as waiting_seconds,
    case
        when {{ in_order('tickets.waiting_since_at', 'clock.as_of') }}
            then calendars.place - {{ business_place('wait_opening', 'tickets.waiting_since_at') }}
    end as waiting_business_seconds,
    tickets.unassigned_seconds
    + greatest(coalesce({{ seconds_between('current_periods.started_at', 'clock.as_of') }}, 0), 0)
        as unassigned_seconds,
    tickets.observed_reopen_count,
    tickets.assignee_user_id is null as is_unassigned,
    {{ has_vip_tag(json_stored('tickets.tags')) }} or coalesce(customers.is_vip, false) as is_vip,
    tickets.category_id is not null or tickets.category_name is not null as has_category,
    cast(coalesce(running_slas.overdue_sla_count, 0) as bigint) as overdue_sla_count,
    cast(coalesce(running_slas.at_risk_sla_count, 0) as bigint) as at_risk_sla_count,
    running_slas.next_due_at,
    tickets.data_as_of,
    clock.as_of
from tickets
cross join clock
left join calendars
    on tickets.calendar = calendars.calendar
left join customers
    on
        tickets.connection_id = customers.connection_id
        and tickets.customer_id = customers.customer_id
left join running_slas
    on
        tickets.connection_id = running_slas.connection_id
        and tickets.ticket_id = running_slas.ticket_id
left join current_periods
    on
        tickets.connection_id = current_periods.connection_id
        and tickets.ticket_id = current_periods.ticket_id
{{ join_opening('open_opening', 'tickets.calendar', 'tickets.opened_at') }}
{{ join_opening('wait_opening', 'tickets.calendar', 'tickets.waiting_since_at') }}
