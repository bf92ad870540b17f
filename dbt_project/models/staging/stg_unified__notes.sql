with notes as (

    select * from {{ source('unified', 'notes') }}

)

select
    connection_id,
    id as note_id,
    {{ blank_to_null('ticket_id') }} as ticket_id,
    {{ blank_to_null('customer_id') }} as customer_id,
    {{ blank_to_null('user_id') }} as user_id,
    description as body,
    metadata,
    raw,
    _row_hash as row_hash,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _deleted_at is not null as is_deleted,
    {{ utc_timestamp('_deleted_at') }} as deleted_at,
    _deletion_reason as deletion_reason,
    {{ utc_timestamp('_observed_at') }} as observed_at,
    _observed_via as observed_via
from notes
-- Of these nothing was seen but that they are gone.
where _deletion_reason is distinct from 'unseen'
