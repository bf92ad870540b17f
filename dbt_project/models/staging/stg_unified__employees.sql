with employees as (

    select * from {{ source('unified', 'employees') }}

)

select
    connection_id,
    id as employee_id,
    coalesce(
        {{ blank_to_null('name') }},
        nullif(concat_ws(' ', {{ blank_to_null('first_name') }}, {{ blank_to_null('last_name') }}), '')
    ) as employee_name,
    {{ json_first_text('emails', 'email') }} as email,
    {{ blank_to_null('title') }} as title,
    {{ blank_to_null('employment_status') }} as employment_status,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _deleted_at is not null as is_deleted,
    {{ utc_timestamp('_deleted_at') }} as deleted_at,
    _deletion_reason as deletion_reason,
    {{ utc_timestamp('_observed_at') }} as observed_at,
    _observed_via as observed_via
from employees
