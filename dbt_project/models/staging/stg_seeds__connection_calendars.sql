with calendars as (

    select * from {{ ref('connection_calendars') }}

)

select
    {{ blank_to_null('connection_id') }} as connection_id,
    {{ blank_to_null('calendar') }} as calendar
from calendars
where {{ blank_to_null('concat(connection_id, calendar)') }} is not null
