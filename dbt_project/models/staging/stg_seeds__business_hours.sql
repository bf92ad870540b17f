with hours as (

    select * from {{ ref('business_hours') }}

)

select
    {{ blank_to_null('calendar') }} as calendar,
    {{ whole_number_from_text(blank_to_null('weekday')) }} as weekday,
    {{ blank_to_null('weekday') }} as weekday_text,
    {{ time_of_day_from_text(blank_to_null('opens_at')) }} as opens_at,
    {{ blank_to_null('opens_at') }} as opens_at_text,
    {{ time_of_day_from_text(blank_to_null('closes_at')) }} as closes_at,
    {{ blank_to_null('closes_at') }} as closes_at_text
from hours
where {{ blank_to_null('concat(calendar, weekday, opens_at, closes_at)') }} is not null
