with calendars as (

    select * from {{ ref('business_calendars') }}

)

select
    {{ blank_to_null('calendar') }} as calendar,
    {{ blank_to_null('time_zone') }} as time_zone
from calendars
where {{ blank_to_null('concat(calendar, time_zone)') }} is not null
