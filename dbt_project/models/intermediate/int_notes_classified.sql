with notes as (

    select * from {{ ref('stg_unified__notes') }}

),

tickets as (

    select
        connection_id,
        ticket_id,
        is_deleted
    from {{ ref('stg_unified__tickets') }}

),

notes_with_signals as (

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
        {{ json_boolean('notes.raw', ['public']) }} as raw_public,
        {{ json_boolean('notes.raw', ['private']) }} as raw_private,
        {{ lower_case(json_text('notes.raw', ['part_type'])) }} as raw_part_type,
        {{ lower_snake(json_value_text('notes.raw', ['element'])) }} as raw_element,
        {{ lower_case(json_text('notes.raw', ['author', 'type'])) }} as raw_author_type,
        {{ json_text('notes.raw', ['author', 'id']) }} as raw_author_id,
        {{ json_boolean('notes.raw', ['incoming']) }} as raw_incoming
    from notes
    left join tickets
        on
            notes.connection_id = tickets.connection_id
            and notes.ticket_id = tickets.ticket_id

),

notes_with_author_role as (

    select
        *,
        case
            when raw_author_type in ('admin', 'user', 'lead', 'contact', 'bot') then 'raw_author_type'
            when raw_incoming is not null then 'raw_incoming'
            when user_id is not null then 'user_id'
            when customer_id is not null then 'customer_id'
            else 'none'
        end as author_role_source,
        case
            when raw_author_type = 'admin' then 'agent'
            when raw_author_type in ('user', 'lead', 'contact') then 'customer'
            when raw_author_type = 'bot' then 'bot'
            when raw_incoming then 'customer'
            when not raw_incoming then 'agent'
            when user_id is not null then 'agent'
            when customer_id is not null then 'customer'
            else 'unknown'
        end as author_role
    from notes_with_signals

)

select
    connection_id,
    note_id,
    ticket_id,
    author_role,
    author_role_source,
    case
        when author_role = 'customer' and author_role_source = 'raw_author_type'
            then coalesce(customer_id, raw_author_id)
        when author_role = 'customer' then customer_id
        when author_role_source = 'raw_author_type' then coalesce(user_id, raw_author_id)
        else user_id
    end as author_id,
    case
        when
            not raw_public or raw_private or raw_part_type like 'note%' or raw_element = 'work_notes'
            then 'internal'
        when
            raw_public or not raw_private or raw_part_type = 'comment' or raw_element = 'comments'
            then 'public'
        else 'unknown'
    end as visibility,
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
