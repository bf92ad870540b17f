{{ config(materialized='view') }}

with turns as (

    select * from {{ ref('int_turns_taken') }}

),

connections as (

    select * from {{ ref('int_connections_covered') }}

)

select
    turns.*,
    {{ is_settled('turns.ended_at', 'connections.data_as_of') }} as is_settled
from turns
left join connections
    on turns.connection_id = connections.connection_id
