-- Materialized: Postgres would otherwise make a body plain once for `body_text` and once more for `comparable_body`.
with opened_tickets as materialized (

    select * from {{ ref('int_tickets_opened') }}

),

classified_notes as materialized (

    select * from {{ ref('int_notes_classified') }}
    where exclusion_reason is null

),

openings as (

    select
        *,
        {{ comparable_text('body_text') }} as comparable_body
    from opened_tickets

),

notes as (

    select
        *,
        {{ comparable_text('body_text') }} as comparable_body,
        {{ author_rank('author_role') }} as author_rank
    from classified_notes

),

notes_beside_openings as (

    select
        notes.connection_id,
        notes.ticket_id,
        notes.note_id,
        notes.author_role,
        notes.author_rank,
        notes.sent_at,
        coalesce(notes.comparable_body = openings.comparable_body, false) as has_same_text,
        abs({{ seconds_between('openings.sent_at', 'notes.sent_at') }}) as seconds_apart
    from notes
    inner join openings
        on
            notes.connection_id = openings.connection_id
            and notes.ticket_id = openings.ticket_id
    where notes.author_role_source is distinct from 'writeback'

),

notes_in_order as (

    select
        *,
        row_number() over (
            partition by connection_id, ticket_id
            order by
                {{ whole_second('sent_at') }} asc nulls last,
                has_same_text desc,
                author_rank asc,
                sent_at asc,
                length(note_id) asc,
                {{ byte_order('note_id') }} asc
        ) as note_number
    from notes_beside_openings

),

opening_notes as (

    select
        connection_id,
        ticket_id,
        note_id
    from notes_in_order
    where
        note_number = 1
        and has_same_text
        and seconds_apart <= case when author_role = 'customer' then 300 else 60 end

),

repeated_notes as (

    select notes.*
    from notes
    inner join opening_notes
        on
            notes.connection_id = opening_notes.connection_id
            and notes.note_id = opening_notes.note_id

),

openings_with_author as (

    select
        openings.connection_id,
        openings.ticket_id,
        repeated_notes.note_id as repeated_by_note_id,
        case
            when repeated_notes.author_role <> 'unknown' then repeated_notes.author_role
            else openings.author_role
        end as author_role,
        case
            when repeated_notes.author_role <> 'unknown' then 'first_note'
            else openings.author_role_source
        end as author_role_source,
        case
            when repeated_notes.author_role = 'customer'
                then coalesce(repeated_notes.author_id, openings.customer_id)
            when repeated_notes.author_role = openings.author_role
                then coalesce(repeated_notes.author_id, openings.author_id)
            when repeated_notes.author_role <> 'unknown' then repeated_notes.author_id
            else openings.author_id
        end as author_id,
        coalesce(repeated_notes.visibility = 'internal', false) as is_repeated_internally,
        openings.sent_at,
        openings.body_text,
        openings.body_html
    from openings
    left join repeated_notes
        on
            openings.connection_id = repeated_notes.connection_id
            and openings.ticket_id = repeated_notes.ticket_id

),

opening_messages as (

    select
        connection_id,
        ticket_id,
        connection_id || '/ticket/' || ticket_id as message_id,
        cast(null as {{ dbt.type_string() }}) as note_id,
        repeated_by_note_id,
        author_role,
        author_role_source,
        author_id,
        case when is_repeated_internally and author_role <> 'customer' then 'internal' else 'public' end as visibility,
        case when is_repeated_internally and author_role <> 'customer' then 'first_note' else 'opening' end
            as visibility_source,
        false as is_automatic,
        sent_at,
        body_text,
        body_html
    from openings_with_author

),

note_messages as (

    select
        notes.connection_id,
        notes.ticket_id,
        notes.connection_id || '/note/' || notes.note_id as message_id,
        notes.note_id,
        cast(null as {{ dbt.type_string() }}) as repeated_by_note_id,
        notes.author_role,
        notes.author_role_source,
        notes.author_id,
        notes.visibility,
        notes.visibility_source,
        notes.is_automatic,
        notes.sent_at,
        notes.body_text,
        notes.body_html
    from notes
    left join opening_notes
        on
            notes.connection_id = opening_notes.connection_id
            and notes.note_id = opening_notes.note_id
    where opening_notes.note_id is null

)

select * from opening_messages
union all
select * from note_messages
