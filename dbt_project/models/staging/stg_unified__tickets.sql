with tickets as (

    select * from {{ source('unified', 'tickets') }}

)

select
    connection_id,
    id as ticket_id,
    {{ blank_to_null('customer_id') }} as customer_id,
    {{ blank_to_null('user_id') }} as assignee_user_id,
    {{ blank_to_null('category_id') }} as category_id,
    {{ blank_to_null('category') }} as category_text,
    {{ blank_to_null('subject') }} as subject,
    description as body,
    coalesce(_privacy like '%description%', false) as is_body_protected,
    {{ blank_to_null('status') }} as status_text,
    {{ lower_snake('priority') }} as priority,
    {{ lower_snake('source') }} as source,
    {{ blank_to_null('source_ref') }} as source_ref,
    {{ blank_to_null('url') }} as url,
    tags,
    attachment_ids,
    metadata,
    raw,
    _row_hash as row_hash,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    {{ utc_timestamp('closed_at') }} as closed_at,
    {{ utc_timestamp('due_at') }} as due_at,
    _deleted_at is not null as is_deleted,
    {{ utc_timestamp('_deleted_at') }} as deleted_at,
    _deletion_reason as deletion_reason,
    {{ utc_timestamp('_observed_at') }} as observed_at,
    _observed_via as observed_via
from tickets
-- Of these nothing was seen but that they are gone.
where _deletion_reason is distinct from 'unseen'
