-- A note of ours is a bot's and speaks for no side; a change of ours is neither a reopening nor a reassignment.
select
    'a note speaks' as problem,
    messages.connection_id,
    messages.ticket_id,
    messages.message_number as number
from {{ ref('conversation_messages') }} as messages
inner join {{ ref('int_notes_written') }} as written_notes
    on
        messages.connection_id = written_notes.connection_id
        and messages.note_id = written_notes.note_id
where messages.author_role <> 'bot' or messages.side is not null or messages.is_agent_reply
union all
select
    'a change counts' as problem,
    connection_id,
    ticket_id,
    change_number as number
from {{ ref('ticket_changes') }}
where is_own and (is_reopening or is_reassignment)
