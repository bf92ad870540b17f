-- Notes whose ticket is not in the warehouse (yet): they are messages of no thread until it comes. Late tickets cause a
-- few for a while; many that stay mean that tickets are missing.
{{ config(severity='warn') }}

select
    notes.connection_id,
    notes.ticket_id,
    count(*) as note_count
from {{ ref('stg_unified__notes') }} as notes
left join {{ ref('stg_unified__tickets') }} as tickets
    on
        notes.connection_id = tickets.connection_id
        and notes.ticket_id = tickets.ticket_id
where tickets.ticket_id is null and not notes.is_deleted
group by notes.connection_id, notes.ticket_id
