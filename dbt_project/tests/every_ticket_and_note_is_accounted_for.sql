-- Messages = tickets that are not deleted + notes that are not excluded - notes that repeat their ticket's description.
with sides as (

    select
        (select count(*) from {{ ref('conversation_messages') }}) as message_count,
        (select count(*) from {{ ref('stg_unified__tickets') }} where not is_deleted) as opening_count,
        (select count(*) from {{ ref('stg_unified__notes') }}) as note_count,
        (
            select count(*) from {{ ref('int_notes_classified') }}
            where exclusion_reason is not null
        ) as excluded_note_count,
        (
            select count(*) from {{ ref('conversation_messages') }}
            where repeated_by_note_id is not null
        ) as repeated_note_count

)

select *
from sides
where message_count <> opening_count + note_count - excluded_note_count - repeated_note_count
