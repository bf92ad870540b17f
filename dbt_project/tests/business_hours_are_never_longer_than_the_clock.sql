-- Turns, periods, tickets and what is open: business seconds are at most the seconds on the clock.
select
    'turn' as of_what,
    connection_id,
    ticket_id,
    wait_seconds as seconds,
    wait_business_seconds as business_seconds
from {{ ref('conversation_turns') }}
where wait_business_seconds > wait_seconds
union all
select
    'period' as of_what,
    connection_id,
    ticket_id,
    seconds,
    business_seconds
from {{ ref('ticket_periods') }}
where business_seconds > seconds
union all
select
    'first reply' as of_what,
    connection_id,
    ticket_id,
    first_reply_seconds as seconds,
    first_reply_business_seconds as business_seconds
from {{ ref('tickets') }}
where first_reply_business_seconds > first_reply_seconds
union all
select
    'resolution' as of_what,
    connection_id,
    ticket_id,
    resolution_seconds as seconds,
    resolution_business_seconds as business_seconds
from {{ ref('tickets') }}
where resolution_business_seconds > resolution_seconds
union all
select
    'open ticket' as of_what,
    connection_id,
    ticket_id,
    open_seconds as seconds,
    open_business_seconds as business_seconds
from {{ ref('open_tickets') }}
where open_business_seconds > greatest(open_seconds, 0) or waiting_business_seconds > greatest(waiting_seconds, 0)
