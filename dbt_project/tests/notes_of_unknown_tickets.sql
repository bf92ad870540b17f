-- Notes whose ticket is not in the warehouse (yet): they are messages of no thread until it comes. Late tickets cause a
-- few for a while; many that stay mean that tickets are missing.
{{ config(severity='warn') }}

select
    connection_id,
    ticket_id,
    count(*) as note_count
from {{ ref('int_notes_classified') }}
where exclusion_reason = 'ticket_unknown'
group by connection_id, ticket_id
