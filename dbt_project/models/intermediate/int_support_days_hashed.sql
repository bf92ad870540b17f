{{ config(materialized='table') }}

select
    support_day_hash as group_hash,
    sum(row_hash) as inputs_hash
from {{ ref('int_ticket_days_counted') }}
group by support_day_hash
