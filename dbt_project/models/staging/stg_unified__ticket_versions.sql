with ticket_versions as (

    select * from {{ source('unified', 'ticket_versions') }}

)

select
    connection_id,
    id as ticket_id,
    state_hash,
    {{ blank_to_null('status') }} as status_text,
    {{ lower_snake('priority') }} as priority,
    {{ blank_to_null('category_id') }} as category_id,
    {{ blank_to_null('category') }} as category_text,
    {{ blank_to_null('user_id') }} as assignee_user_id,
    {{ blank_to_null('customer_id') }} as customer_id,
    tags,
    {{ blank_to_null('raw_status') }} as raw_status,
    {{ blank_to_null('raw_state') }} as raw_state,
    {{ utc_timestamp('updated_at') }} as updated_at,
    {{ utc_timestamp('closed_at') }} as closed_at,
    {{ utc_timestamp('due_at') }} as due_at,
    coalesce(is_baseline, false) as is_baseline,
    {{ utc_timestamp('observed_at') }} as observed_at,
    observed_via
from ticket_versions
