{{ config(materialized='table') }}

select
    customer_hash as group_hash,
    sum({{ hash_of(['day_on', 'cast(row_hash as ' ~ dbt.type_string() ~ ')']) }}) as inputs_hash
from {{ ref('int_ticket_days_counted') }}
where customer_id is not null and is_active
group by customer_hash
