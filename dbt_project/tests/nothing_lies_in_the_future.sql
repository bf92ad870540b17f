-- Messages dated later than a day after the run's clock: a helpdesk's clock or time zone is wrong.
{{ config(severity='warn') }}

select
    connection_id,
    message_id,
    sent_at
from {{ ref('conversation_messages') }}
where sent_at > {{ as_of() }} + interval '1 day'
