{{ config(materialized='table') }}

with connections as (

    select * from {{ ref('stg_unified__connections') }}

),

-- A connection that is not there any more is known by its tickets alone.
connection_ids as (

    select connection_id from connections
    union
    select connection_id from {{ ref('stg_unified__tickets') }}

),

sync_runs as (

    select * from {{ ref('stg_unified__sync_runs') }}
    where read_through_at is not null

),

calendars as (

    select * from {{ ref('stg_seeds__connection_calendars') }}

),

read_objects as (

    select
        connection_id,
        max(case when object_name = 'tickets' then read_through_at end) as tickets_read_through_at,
        max(case when object_name = 'notes' then read_through_at end) as notes_read_through_at,
        max(case when object_name = 'notes' and plan not like 'per_ticket%' then read_through_at end)
            as all_notes_read_through_at
    from sync_runs
    group by connection_id

)

select
    connection_ids.connection_id,
    connections.integration_type,
    coalesce(own_calendars.calendar, other_calendars.calendar) as calendar,
    read_objects.tickets_read_through_at,
    read_objects.notes_read_through_at,
    read_objects.all_notes_read_through_at,
    case
        when
            read_objects.tickets_read_through_at is not null
            then
                least(
                    read_objects.tickets_read_through_at,
                    coalesce(read_objects.notes_read_through_at, read_objects.tickets_read_through_at)
                )
    end as data_as_of
from connection_ids
left join connections
    on connection_ids.connection_id = connections.connection_id
left join read_objects
    on connection_ids.connection_id = read_objects.connection_id
left join calendars as own_calendars
    on connection_ids.connection_id = own_calendars.connection_id
left join calendars as other_calendars
    on other_calendars.connection_id is null
