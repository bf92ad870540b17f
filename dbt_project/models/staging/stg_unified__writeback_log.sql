with writeback_log as (

    select * from {{ source('unified', 'writeback_log') }}

)

select
    connection_id,
    attempt_id,
    plan_id,
    undoes_plan_id,
    integration_type,
    ticket_id,
    action,
    {{ blank_to_null('written_by') }} as written_by,
    {{ blank_to_null('reason') }} as reason,
    {{ utc_timestamp('begun_at') }} as begun_at,
    {{ utc_timestamp('ended_at') }} as ended_at,
    ending,
    {{ blank_to_null('answer') }} as answer,
    old as old_values,
    new as new_values,
    taken as taken_values,
    note_id,
    {{ utc_timestamp('record_updated_at') }} as record_updated_at
from writeback_log
