-- Each run of each object, and each record that was set aside, is counted in one row and no other.
with shown as (

    select
        sum(retry_count) as retry_count,
        sum(rejected_row_count) as rejected_row_count,
        sum(repaired_row_count) as repaired_row_count,
        sum(deleted_row_count) as deleted_row_count,
        sum(rejected_record_count) as rejected_record_count
    from {{ ref('sync_health') }}

),

stored as (

    select
        sum(retry_count) as retry_count,
        sum(rejected_row_count) as rejected_row_count,
        sum(repaired_row_count) as repaired_row_count,
        sum(deleted_row_count) as deleted_row_count,
        (select count(*) from {{ ref('stg_unified__rejected_records') }}) as rejected_record_count
    from {{ ref('stg_unified__sync_runs') }}

)

select stored.*
from stored
cross join shown
where
    coalesce(stored.retry_count, 0) <> coalesce(shown.retry_count, 0)
    or coalesce(stored.rejected_row_count, 0) <> coalesce(shown.rejected_row_count, 0)
    or coalesce(stored.repaired_row_count, 0) <> coalesce(shown.repaired_row_count, 0)
    or coalesce(stored.deleted_row_count, 0) <> coalesce(shown.deleted_row_count, 0)
    or stored.rejected_record_count <> coalesce(shown.rejected_record_count, 0)
