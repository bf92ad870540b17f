{{ config(materialized='view') }}

with turns as (

    select * from {{ ref('int_turns_taken') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

)

select
    turns.connection_id,
    turns.ticket_id,
    turns.turn_number,
    turns.integration_type,
    turns.customer_id,
    turns.side,
    turns.reply_kind,
    turns.first_message_number,
    turns.last_message_number,
    turns.message_count,
    turns.started_at,
    turns.last_message_at,
    turns.end_reason,
    turns.ended_at,
    turns.answered_by_message_number,
    turns.answered_by_author_id,
    turns.wait_seconds,
    turns.wait_business_seconds,
    turns.is_answered,
    turns.is_open,
    turns.has_unknown_author,
    {{ is_settled('turns.ended_at', 'connections.data_as_of') }} as is_settled
from turns
left join connections
    on turns.connection_id = connections.connection_id
