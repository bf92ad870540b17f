with customers as (

    select * from {{ source('unified', 'customers') }}

)

select
    connection_id,
    id as customer_id,
    {{ blank_to_null('name') }} as customer_name,
    {{ json_first_text('emails', 'email') }} as email,
    {{ json_first_text('telephones', 'telephone') }} as telephone,
    emails,
    telephones,
    tags,
    metadata,
    raw,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _deleted_at is not null as is_deleted,
    {{ utc_timestamp('_deleted_at') }} as deleted_at,
    _deletion_reason as deletion_reason,
    {{ utc_timestamp('_observed_at') }} as observed_at,
    _observed_via as observed_via
from customers
-- Of these nothing was seen but that they are gone.
where _deletion_reason is distinct from 'unseen'
