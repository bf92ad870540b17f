with holidays as (

    select * from {{ ref('business_holidays') }}

)

select
    {{ blank_to_null('calendar') }} as calendar,
    {{ day_from_text(blank_to_null('holiday_on')) }} as holiday_on,
    {{ blank_to_null('holiday_on') }} as holiday_on_text,
    {{ time_of_day_from_text(blank_to_null('opens_at')) }} as opens_at,
    {{ blank_to_null('opens_at') }} as opens_at_text,
    {{ time_of_day_from_text(blank_to_null('closes_at')) }} as closes_at,
    {{ blank_to_null('closes_at') }} as closes_at_text,
    {{ blank_to_null('holiday_name') }} as holiday_name
from holidays
where {{ blank_to_null('concat(calendar, holiday_on, opens_at, closes_at, holiday_name)') }} is not null
