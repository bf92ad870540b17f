with policies as (

    select * from {{ ref('sla_policies') }}

)

select
    {{ blank_to_null('policy') }} as policy,
    {{ whole_number_from_text(blank_to_null('place')) }} as place,
    {{ blank_to_null('place') }} as place_text,
    {{ blank_to_null('metric') }} as metric,
    {{ blank_to_null('connection_id') }} as connection_id,
    {{ blank_to_null('priority') }} as priority,
    {{ blank_to_null('tag') }} as tag,
    {{ blank_to_null('category') }} as category,
    {{ blank_to_null('customer_id') }} as customer_id,
    {{ whole_number_from_text(blank_to_null('target_minutes')) }} as target_minutes,
    {{ blank_to_null('target_minutes') }} as target_minutes_text,
    {{ blank_to_null('calendar') }} as calendar,
    {{ blank_to_null('pauses_on') }} as pauses_on,
    {{ day_from_text(blank_to_null('valid_from')) }} as valid_from,
    {{ blank_to_null('valid_from') }} as valid_from_text
from policies
where
    {{ blank_to_null(
        'concat(policy, place, metric, connection_id, priority, tag, category, '
        ~ 'customer_id, target_minutes, calendar, pauses_on, valid_from)'
    ) }} is not null
