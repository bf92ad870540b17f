with connections as (

    select * from {{ source('unified', 'connections') }}

)

select
    id as connection_id,
    {{ lower_snake('integration_type') }} as integration_type,
    {{ blank_to_null('integration_name') }} as integration_name,
    {{ blank_to_null('external_xref') }} as external_xref,
    {{ blank_to_null('environment') }} as environment,
    {{ blank_to_null('workspace_id') }} as workspace_id,
    coalesce(is_paused, false) as is_paused,
    categories as api_categories,
    permissions,
    support,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    {{ utc_timestamp('last_healthy_at') }} as last_healthy_at,
    {{ utc_timestamp('last_unhealthy_at') }} as last_unhealthy_at,
    {{ utc_timestamp('_observed_at') }} as observed_at
from connections
