-- Each ticket has its row, and each note that is there is a message of its ticket, repeats its description, or is an
-- event without a text; nothing else has any.
with tickets as (

    select * from {{ ref('stg_unified__tickets') }}

),

notes as (

    select notes.*
    from {{ ref('stg_unified__notes') }} as notes
    inner join tickets
        on
            notes.connection_id = tickets.connection_id
            and notes.ticket_id = tickets.ticket_id
            and not tickets.is_deleted
    where not notes.is_deleted

),

told_notes as (

    select
        connection_id,
        ticket_id,
        coalesce(note_id, repeated_by_note_id) as note_id
    from {{ ref('conversation_messages') }}
    where note_id is not null or repeated_by_note_id is not null

),

untold_notes as (

    select
        notes.connection_id,
        notes.ticket_id,
        notes.note_id,
        coalesce({{ lower_case(json_text('notes.raw', ['part_type'])) }}, 'comment') as part_type,
        {{ html_to_text('notes.body') }} as body_text
    from notes
    left join told_notes
        on
            notes.connection_id = told_notes.connection_id
            and notes.ticket_id = told_notes.ticket_id
            and notes.note_id = told_notes.note_id
    where told_notes.note_id is null

)

select
    'a note is missing' as problem,
    connection_id,
    note_id as record_id
from untold_notes
where body_text is not null or part_type = 'comment' or part_type like 'note%'
union all
select
    'a note is not there any more' as problem,
    told_notes.connection_id,
    told_notes.note_id as record_id
from told_notes
left join notes
    on
        told_notes.connection_id = notes.connection_id
        and told_notes.ticket_id = notes.ticket_id
        and told_notes.note_id = notes.note_id
where notes.note_id is null
union all
select
    'a ticket is on one side alone' as problem,
    coalesce(tickets.connection_id, told_tickets.connection_id) as connection_id,
    coalesce(tickets.ticket_id, told_tickets.ticket_id) as record_id
from tickets
full outer join {{ ref('tickets') }} as told_tickets
    on
        tickets.connection_id = told_tickets.connection_id
        and tickets.ticket_id = told_tickets.ticket_id
where tickets.ticket_id is null or told_tickets.ticket_id is null
union all
select
    'a ticket has no message 1, or has it though it is deleted' as problem,
    coalesce(tickets.connection_id, openings.connection_id) as connection_id,
    coalesce(tickets.ticket_id, openings.ticket_id) as record_id
from (select * from tickets where not is_deleted) as tickets
full outer join (select * from {{ ref('conversation_messages') }} where note_id is null) as openings
    on
        tickets.connection_id = openings.connection_id
        and tickets.ticket_id = openings.ticket_id
where tickets.ticket_id is null or openings.ticket_id is null
