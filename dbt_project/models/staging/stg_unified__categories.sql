with categories as (

    select * from {{ source('unified', 'categories') }}

)

select
    connection_id,
    id as category_id,
    {{ blank_to_null('parent_id') }} as parent_category_id,
    {{ blank_to_null('name') }} as category_name,
    {{ blank_to_null('description') }} as category_description,
    coalesce(is_active, true) as is_active,
    metadata,
    raw,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _deleted_at is not null as is_deleted,
    {{ utc_timestamp('_deleted_at') }} as deleted_at,
    _deletion_reason as deletion_reason,
    {{ utc_timestamp('_observed_at') }} as observed_at,
    _observed_via as observed_via
from categories
-- Of these nothing was seen but that they are gone.
where _deletion_reason is distinct from 'unseen'
