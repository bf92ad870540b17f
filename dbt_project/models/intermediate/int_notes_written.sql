select distinct
    connection_id,
    note_id
from {{ ref('stg_unified__writeback_log') }}
where
    action = 'note'
    and ending = 'written'
    and note_id is not null
