with ticket_days as (

    select
        connection_id,
        ticket_id,
        happened_on,
        category,
        priority,
        assignee_user_id,
        opened_count,
        reopened_count,
        own_reopened_count,
        closed_count,
        moved_in_count,
        moved_out_count,
        unobserved_change,
        customer_message_count,
        agent_reply_count,
        first_reply_seconds,
        timed_answer_count,
        answer_seconds_sum,
        resolution_seconds,
        is_active,
        customer_id,
        is_conversation_known,
        cohort_is_answered,
        cohort_is_closed,
        cohort_first_reply_seconds,
        cohort_resolution_seconds,
        row_hash
    from {{ ref('int_ticket_days') }}

),

connections as (

    select
        connection_id,
        {{ last_counted_day('data_as_of') }} as last_counted_on
    from {{ ref('int_connections_covered') }}

),

customer_tiers as (

    select * from {{ ref('int_customers_tiered') }}

),

counted_days as (

    select
        ticket_days.*,
        {{ counted_on('ticket_days.happened_on', 'connections.last_counted_on') }} as day_on,
        customer_tiers.customer_tier
    from ticket_days
    inner join connections
        on ticket_days.connection_id = connections.connection_id
    left join customer_tiers
        on
            ticket_days.connection_id = customer_tiers.connection_id
            and ticket_days.customer_id = customer_tiers.customer_id

)

select
    *,
    {{ hash_of(['connection_id', 'day_on', 'category', 'priority', 'assignee_user_id', 'customer_tier']) }}
        as support_day_hash,
    {{ hash_of(['connection_id', 'customer_id']) }} as customer_hash
from counted_days
