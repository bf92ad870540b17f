-- The tickets of the connections are all tickets; their customers and notes are all but those of connections of which
-- nothing else is known.
with held as (

    select
        coalesce(sum(ticket_count), 0) as ticket_count,
        coalesce(sum(deleted_ticket_count), 0) as deleted_ticket_count,
        coalesce(sum(customer_count + deleted_customer_count), 0) as customer_count,
        coalesce(sum(note_count + deleted_note_count), 0) as note_count
    from {{ ref('connections') }}

),

stored as (

    select
        (select count(*) from {{ ref('tickets') }} where not is_deleted) as ticket_count,
        (select count(*) from {{ ref('tickets') }} where is_deleted) as deleted_ticket_count,
        (
            select count(*)
            from {{ ref('stg_unified__customers') }} as customers
            inner join {{ ref('int_connections_covered') }} as connections
                on customers.connection_id = connections.connection_id
        ) as customer_count,
        (
            select count(*)
            from {{ ref('stg_unified__notes') }} as notes
            inner join {{ ref('int_connections_covered') }} as connections
                on notes.connection_id = connections.connection_id
        ) as note_count

)

select
    held.*,
    stored.*
from held
cross join stored
where
    held.ticket_count <> stored.ticket_count
    or held.deleted_ticket_count <> stored.deleted_ticket_count
    or held.customer_count <> stored.customer_count
    or held.note_count <> stored.note_count
