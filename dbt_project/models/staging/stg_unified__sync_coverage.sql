with sync_coverage as (

    select * from {{ source('unified', 'sync_coverage') }}

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
    {{ utc_timestamp('read_through') }} as read_through_at,
    coalesce(is_sample, false) as is_sample,
    coalesce(is_deep, false) as is_deep,
    coalesce(is_complete, false) as is_complete,
    coalesce(requests, 0) as request_count,
    coalesce(records_shown, 0) as shown_record_count,
    coalesce(records_held, 0) as held_record_count,
    coalesce(not_yet_read, 0) as not_yet_read_count,
    coalesce(not_yet_reconciled, 0) as not_yet_reconciled_count,
    coalesce(not_comparable, 0) as not_comparable_count,
    coalesce(missing, 0) as missing_count,
    coalesce(wrongly_deleted, 0) as wrongly_deleted_count,
    coalesce(stale, 0) as stale_count,
    coalesce(extra, 0) as extra_count,
    coalesce(doubled, 0) as doubled_count,
    coalesce(changed, 0) as changed_count,
    coalesce(missing, 0) + coalesce(wrongly_deleted, 0) + coalesce(stale, 0)
    + coalesce(extra, 0) + coalesce(doubled, 0) + coalesce(changed, 0) as gap_count,
    coalesce(repaired, 0) as repaired_count,
    {{ blank_to_null('error') }} as error_text
from sync_coverage
-- A load cut short may leave its account behind without the repair that it speaks of.
where _dlt_load_id in (select finished_loads.load_id from finished_loads)
