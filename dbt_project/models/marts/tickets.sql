{{ config(materialized='view') }}

with tickets as (

    select * from {{ ref('int_tickets_assembled') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

)

select
    tickets.*,
    {{ is_settled('coalesce(tickets.updated_at, tickets.opened_at)', 'connections.data_as_of') }}
    and (tickets.is_deleted or tickets.is_conversation_known) as is_settled,
    connections.data_as_of
from tickets
left join connections
    on tickets.connection_id = connections.connection_id
