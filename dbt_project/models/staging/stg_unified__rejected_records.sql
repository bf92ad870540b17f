-- Without the record itself: it is whatever came, of whomever.
with rejected_records as (

    select * from {{ source('unified', 'rejected_records') }}

)

select
    connection_id,
    object as object_name,
    record_hash,
    {{ blank_to_null('reason') }} as reason,
    {{ utc_timestamp('observed_at') }} as observed_at,
    observed_via
from rejected_records
