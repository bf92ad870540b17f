{{
    config(
        materialized='table',
        indexes=indexes_where_used([{'columns': ['connection_id', 'read_through_at']}])
    )
}}

with syncs as (

    select distinct
        connection_id,
        read_through_at
    from {{ ref('stg_unified__sync_runs') }}
    where object_name = 'tickets' and read_through_at is not null

)

-- The last sync that began before a state was seen may be the one that saw it: only the one before it showed no change.
select
    connection_id,
    read_through_at,
    lag(read_through_at) over (partition by connection_id order by read_through_at) as read_through_before_at,
    sum({{ hash_of(['read_through_at']) }}) over (
        partition by connection_id order by read_through_at
    ) as syncs_hash
from syncs
