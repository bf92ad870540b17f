-- A view, so that it tells the place of the moment in which it is read.
with calendars as (

    select distinct
        calendar,
        {{ live_as_of() }} as as_of
    from {{ ref('int_business_hours') }}

)

select
    calendars.calendar,
    calendars.as_of,
    {{ business_place('opening', 'calendars.as_of') }} as place
from calendars
{{ join_opening('opening', 'calendars.calendar', 'calendars.as_of') }}
