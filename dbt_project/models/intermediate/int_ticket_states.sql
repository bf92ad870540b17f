with states as (

    select * from {{ ref('int_states_followed') }}

),

connections as (

    select
        connection_id,
        {{ last_counted_day('data_as_of') }} as last_counted_on
    from {{ ref('int_connections_covered') }}

),

customer_tiers as (

    select * from {{ ref('int_customers_tiered') }}

)

select
    states.connection_id,
    states.ticket_id,
    states.state_number,
    states.customer_id,
    customer_tiers.customer_tier,
    states.is_open,
    states.category,
    states.priority,
    states.assignee_user_id,
    states.was_open,
    states.category_before,
    states.priority_before,
    states.assignee_user_id_before,
    states.from_at,
    states.until_at,
    {{ counted_on('states.from_on', 'connections.last_counted_on') }} as from_on,
    states.is_observed,
    states.was_unobserved,
    states.is_last_closing
from states
inner join connections
    on states.connection_id = connections.connection_id
left join customer_tiers
    on
        states.connection_id = customer_tiers.connection_id
        and states.customer_id = customer_tiers.customer_id
