with note_sweeps as (

    select * from {{ source('unified', 'note_sweeps') }}

)

select
    connection_id,
    ticket_id,
    notes_found as found_note_count,
    {{ utc_timestamp('swept_at') }} as swept_at
from note_sweeps
