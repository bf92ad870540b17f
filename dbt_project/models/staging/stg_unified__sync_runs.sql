with sync_runs as (

    select * from {{ source('unified', 'sync_runs') }}

),

finished_loads as (

    select load_id
    from {{ source('unified', '_dlt_loads') }}
    where status = 0

)

select
    run_id,
    connection_id,
    object as object_name,
    integration_type,
    plan,
    {{ utc_timestamp('started_at') }} as started_at,
    {{ utc_timestamp('ended_at') }} as ended_at,
    coalesce(requests, 0) as request_count,
    coalesce(rows_received, 0) as received_row_count,
    coalesce(retries, 0) as retry_count,
    cast(ceil(coalesce(seconds_waited, 0)) as bigint) as waited_seconds,
    {{ utc_timestamp('cursor_before') }} as cursor_before_at,
    {{ utc_timestamp('cursor_after') }} as cursor_after_at,
    {{ utc_timestamp('read_through') }} as read_through_at,
    coalesce(is_complete, false) as is_complete,
    {{ blank_to_null('error') }} as error_text,
    command,
    coalesce(rows_rejected, 0) as rejected_row_count,
    coalesce(rows_repaired, 0) as repaired_row_count,
    coalesce(rows_deleted, 0) as deleted_row_count
from sync_runs
-- A load cut short may leave its account behind without the rows that it speaks of.
where _dlt_load_id in (select finished_loads.load_id from finished_loads)
