{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

-- No row is made here: mark_due_tickets and mark_built_tickets keep them.
select
    cast(null as {{ dbt.type_string() }}) as connection_id,
    cast(null as {{ dbt.type_string() }}) as ticket_id,
    cast(null as {{ dbt.type_string() }}) as inputs_hash
where false
