{{ config(materialized='incremental', incremental_strategy='changed_groups') }}

with ticket_days as (

    select
        ticket_days.*,
        ticket_days.customer_hash as group_hash
    from {{ ref('int_ticket_days_counted') }} as ticket_days
    inner join {{ changed_groups(ref('int_customer_days_hashed')) }} as changed_customers
        on ticket_days.customer_hash = changed_customers.group_hash
    where ticket_days.customer_id is not null and ticket_days.is_active

),

days as (

    select
        connection_id,
        customer_id,
        day_on,
        cast(sum(opened_count) as bigint) as opened_count,
        cast(sum(reopened_count) as bigint) as reopened_count,
        cast(sum(own_reopened_count) as bigint) as own_reopened_count,
        cast(sum(closed_count) as bigint) as closed_count,
        max(case when is_conversation_known then 1 else 0 end) = 1 as is_conversation_known,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        count(first_reply_seconds) as timed_first_reply_count,
        cast(coalesce(sum(first_reply_seconds), 0) as bigint) as first_reply_seconds_sum,
        group_hash,
        sum({{ hash_of(['day_on', 'cast(row_hash as ' ~ dbt.type_string() ~ ')']) }}) as inputs_hash
    from ticket_days
    group by connection_id, customer_id, day_on, group_hash

)

select
    connection_id,
    customer_id,
    day_on,
    opened_count,
    reopened_count,
    own_reopened_count,
    closed_count,
    is_conversation_known,
    customer_message_count,
    agent_reply_count,
    timed_first_reply_count,
    first_reply_seconds_sum,
    cast(
        sum(opened_count + reopened_count + own_reopened_count - closed_count) over (
            partition by connection_id, customer_id order by day_on
        ) as bigint
    ) as open_ticket_count,
    group_hash,
    sum(inputs_hash) over (partition by connection_id, customer_id) as inputs_hash,
    {{ own_logic_hash() }} as logic_hash
from days
