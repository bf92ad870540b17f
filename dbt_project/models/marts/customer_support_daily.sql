{{ config(materialized='view') }}

with days as (

    select * from {{ ref('int_customer_days') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

)

select
    days.connection_id,
    days.customer_id,
    days.day_on,
    connections.integration_type,
    days.opened_count,
    days.reopened_count,
    days.own_reopened_count,
    days.closed_count,
    case when days.is_conversation_known then days.customer_message_count end as customer_message_count,
    case when days.is_conversation_known then days.agent_reply_count end as agent_reply_count,
    case when days.is_conversation_known then days.timed_first_reply_count end as timed_first_reply_count,
    case when days.is_conversation_known then days.first_reply_seconds_sum end as first_reply_seconds_sum,
    days.open_ticket_count,
    coalesce(days.day_on < {{ local_day('connections.data_as_of') }}, false) as is_day_over,
    connections.data_as_of
from days
left join connections
    on days.connection_id = connections.connection_id
