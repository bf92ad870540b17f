with notes as (

    select * from {{ due(ref('stg_unified__notes')) }} as notes

),

signs as (

    select * from {{ ref('int_notes_signed') }}

),

tickets as (

    select
        connection_id,
        ticket_id,
        customer_id,
        is_deleted
    from {{ due(ref('stg_unified__tickets')) }} as tickets

),

known_agents as (

    select * from {{ ref('int_known_agents') }}

),

written_notes as (

    select * from {{ ref('int_notes_written') }}

),

notes_with_signs as (

    select
        notes.connection_id,
        notes.note_id,
        notes.ticket_id,
        notes.customer_id,
        notes.user_id,
        notes.is_deleted,
        notes.body as body_html,
        {{ html_to_text('notes.body') }} as body_text,
        coalesce(notes.created_at, notes.updated_at) as sent_at,
        tickets.ticket_id is not null as has_ticket,
        coalesce(tickets.is_deleted, false) as has_deleted_ticket,
        signs.visibility as sign_visibility,
        signs.visibility_path,
        signs.author_role as sign_author_role,
        'raw_' || replace(signs.author_role_path, '.', '_') as sign_author_role_source,
        coalesce(signs.is_automatic, false) as is_automatic,
        {{ lower_case(json_text('notes.raw', ['part_type'])) }} as raw_part_type,
        {{ json_text('notes.raw', ['author', 'id']) }} as raw_author_id,
        written_notes.note_id is not null as is_own,
        coalesce(
            {{ differs('notes.customer_id', 'tickets.customer_id') }}
            and {{ was_known_agent('known_agents', 'coalesce(notes.created_at, notes.updated_at)') }},
            false
        ) as is_by_known_agent
    from notes
    left join signs
        on
            notes.connection_id = signs.connection_id
            and notes.note_id = signs.note_id
    left join tickets
        on
            notes.connection_id = tickets.connection_id
            and notes.ticket_id = tickets.ticket_id
    left join known_agents
        on
            notes.connection_id = known_agents.connection_id
            and notes.customer_id = known_agents.user_id
    left join written_notes
        on
            notes.connection_id = written_notes.connection_id
            and notes.note_id = written_notes.note_id

),

notes_with_author_role as (

    select
        *,
        case
            when is_own then 'writeback'
            when sign_author_role is not null then sign_author_role_source
            when user_id is not null then 'user_id'
            when is_by_known_agent then 'known_agent'
            when customer_id is not null then 'customer_id'
            else 'none'
        end as author_role_source,
        case
            when is_own then 'bot'
            when sign_author_role is not null then sign_author_role
            when user_id is not null or is_by_known_agent then 'agent'
            when customer_id is not null then 'customer'
            else 'unknown'
        end as author_role
    from notes_with_signs

)

select
    connection_id,
    note_id,
    ticket_id,
    author_role,
    author_role_source,
    case
        when author_role_source = 'known_agent' then customer_id
        when author_role = 'customer' and author_role_source = 'raw_author_type'
            then coalesce(customer_id, raw_author_id)
        when author_role = 'customer' then customer_id
        when author_role_source = 'raw_author_type' then coalesce(user_id, raw_author_id)
        else user_id
    end as author_id,
    coalesce(sign_visibility, {{ assumed_visibility() }}, 'unknown') as visibility,
    case
        when sign_visibility is not null then 'raw_' || replace(visibility_path, '.', '_')
        when {{ assumed_visibility() }} is not null then 'assumed'
        else 'none'
    end as visibility_source,
    is_automatic,
    sent_at,
    body_text,
    body_html,
    case
        when is_deleted then 'note_deleted'
        when not has_ticket then 'ticket_unknown'
        when has_deleted_ticket then 'ticket_deleted'
        when
            raw_part_type is not null
            and raw_part_type <> 'comment' and raw_part_type not like 'note%'
            and body_text is null
            then 'event'
    end as exclusion_reason
from notes_with_author_role
