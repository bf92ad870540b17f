with connections as (

    select
        connection_id,
        integration_type,
        data_as_of,
        {{ local_day('data_as_of') }} as read_through_on
    from {{ ref('int_connections_covered') }}

),

employees as (

    select
        connection_id,
        employee_id,
        employee_name
    from {{ ref('stg_unified__employees') }}

),

categories as (

    select * from {{ ref('int_categories_named') }}

),

daily_flows as (

    select
        connection_id,
        day_on,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        opened_count,
        reopened_count,
        own_reopened_count,
        closed_count,
        moved_in_count,
        moved_out_count,
        unobserved_change
    from {{ ref('int_support_days') }}
    where
        opened_count + reopened_count + own_reopened_count + closed_count + moved_in_count + moved_out_count > 0
        or unobserved_change <> 0

),

last_days as (

    select
        daily_flows.connection_id,
        greatest(max(daily_flows.day_on), max(connections.read_through_on)) as last_on
    from daily_flows
    left join connections
        on daily_flows.connection_id = connections.connection_id
    group by daily_flows.connection_id

),

days_with_flows as (

    select
        *,
        sum(
            opened_count + reopened_count + own_reopened_count - closed_count + moved_in_count - moved_out_count
        ) over dimension as open_ticket_count,
        sum(unobserved_change) over dimension as unobserved_open_ticket_count,
        lead(day_on) over dimension as next_flow_on
    from daily_flows
    window dimension as (
        partition by connection_id, category, priority, assignee_user_id, customer_tier
        order by day_on
    )

),

-- A day without a flow ends as the one before; where nothing is open either, it is no row.
lasting_days as (

    select
        flows.*,
        case
            when flows.open_ticket_count = 0 then flows.day_on
            else coalesce(flows.next_flow_on - 1, last_days.last_on)
        end as lasts_until_on
    from days_with_flows as flows
    inner join last_days
        on flows.connection_id = last_days.connection_id

),

days as (

    select
        lasting_days.*,
        spine.days_later,
        lasting_days.day_on + cast(spine.days_later as integer) as counted_on
    from lasting_days
    {{ join_days_later('lasting_days.day_on', 'lasting_days.lasts_until_on', 'days_later') }}

)

select
    days.connection_id,
    days.counted_on as day_on,
    days.category,
    days.priority,
    days.assignee_user_id,
    days.customer_tier,
    connections.integration_type,
    categories.category_id,
    categories.category_name,
    employees.employee_name as assignee_name,
    case when days.days_later = 0 then days.opened_count else 0 end as opened_count,
    case when days.days_later = 0 then days.reopened_count else 0 end as reopened_count,
    case when days.days_later = 0 then days.own_reopened_count else 0 end as own_reopened_count,
    case when days.days_later = 0 then days.closed_count else 0 end as closed_count,
    case when days.days_later = 0 then days.moved_in_count else 0 end as moved_in_count,
    case when days.days_later = 0 then days.moved_out_count else 0 end as moved_out_count,
    cast(days.open_ticket_count as bigint) as open_ticket_count,
    cast(days.unobserved_open_ticket_count as bigint) as unobserved_open_ticket_count,
    coalesce(days.counted_on < connections.read_through_on, false) as is_day_over,
    connections.data_as_of
from days
left join connections
    on days.connection_id = connections.connection_id
left join categories
    on
        days.connection_id = categories.connection_id
        and days.category = categories.category
left join employees
    on
        days.connection_id = employees.connection_id
        and days.assignee_user_id = employees.employee_id
