{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select
        *,
        {{ status_word('status_text') }} as status
    from {{ due(ref('stg_unified__tickets')) }} as tickets

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

signs as (

    select * from {{ due(ref('int_tickets_signed')) }} as signs

),

ticket_notes as (

    select distinct
        notes.connection_id,
        notes.ticket_id
    from {{ due(ref('stg_unified__notes')) }} as notes
    left join {{ ref('int_notes_written') }} as written_notes
        on
            notes.connection_id = written_notes.connection_id
            and notes.note_id = written_notes.note_id
    where
        notes.ticket_id is not null
        and written_notes.note_id is null

),

note_sweeps as (

    select * from {{ due(ref('stg_unified__note_sweeps')) }} as sweeps
    where found_note_count is not null

)

select
    tickets.connection_id,
    tickets.ticket_id,
    connections.integration_type,
    connections.calendar,
    tickets.customer_id,
    tickets.created_at as opened_at,
    tickets.updated_at,
    case when tickets.status = 'closed' then tickets.closed_at end as closed_at,
    tickets.status,
    signs.kind as sign_kind,
    signs.vendor_status,
    signs.satisfaction,
    signs.vendor_first_replied_at,
    signs.vendor_resolved_at,
    tickets.status = 'closed' as is_closed,
    tickets.is_deleted,
    coalesce(signs.kind in ('spam', 'merged'), false) as is_set_aside,
    not tickets.is_deleted
    and (
        {{ is_before_notes_read('tickets.created_at', 'connections') }}
        or ticket_notes.ticket_id is not null
        or note_sweeps.ticket_id is not null
    ) as is_conversation_known
from tickets
left join connections
    on tickets.connection_id = connections.connection_id
left join signs
    on
        tickets.connection_id = signs.connection_id
        and tickets.ticket_id = signs.ticket_id
left join ticket_notes
    on
        tickets.connection_id = ticket_notes.connection_id
        and tickets.ticket_id = ticket_notes.ticket_id
left join note_sweeps
    on
        tickets.connection_id = note_sweeps.connection_id
        and tickets.ticket_id = note_sweeps.ticket_id
