-- To what the tickets, their messages that have a time and their turns tell, connection by connection.
{%- set figures = [
    'opened_count', 'reopened_count', 'own_reopened_count', 'closed_count', 'customer_message_count',
    'agent_reply_count', 'timed_first_reply_count', 'first_reply_seconds', 'timed_answer_count', 'wait_seconds',
    'resolved_count', 'resolution_seconds', 'cohort_ticket_count', 'cohort_known_count', 'cohort_answered_count',
    'cohort_closed_count', 'cohort_reply_count', 'cohort_reply_seconds', 'cohort_resolved_count',
    'cohort_resolution_seconds',
] %}

with tickets as (

    select tickets.*
    from {{ ref('tickets') }} as tickets
    inner join {{ ref('int_ticket_states') }} as states
        on
            tickets.connection_id = states.connection_id
            and tickets.ticket_id = states.ticket_id
            and states.state_number = 1

),

read_tickets as (

    select
        connection_id,
        ticket_id
    from tickets
    where is_conversation_known

),

told as (

    select
        connection_id,
        sum(opened_count) as opened_count,
        sum(reopened_count) as reopened_count,
        sum(own_reopened_count) as own_reopened_count,
        sum(closed_count) as closed_count,
        0 as customer_message_count,
        0 as agent_reply_count,
        0 as timed_first_reply_count,
        0 as first_reply_seconds,
        0 as timed_answer_count,
        0 as wait_seconds,
        0 as resolved_count,
        0 as resolution_seconds,
        0 as cohort_ticket_count,
        0 as cohort_known_count,
        0 as cohort_answered_count,
        0 as cohort_closed_count,
        0 as cohort_reply_count,
        0 as cohort_reply_seconds,
        0 as cohort_resolved_count,
        0 as cohort_resolution_seconds
    from {{ ref('ticket_backlog_daily') }}
    group by connection_id
    union all
    select
        tickets.connection_id,
        0, 0, 0, 0, 0, 0,
        count(tickets.first_reply_seconds),
        sum(tickets.first_reply_seconds),
        0, 0,
        count(tickets.resolution_seconds),
        sum(tickets.resolution_seconds),
        count(*),
        count(case when tickets.is_conversation_known then 1 end),
        count(case when tickets.is_answered then 1 end),
        count(case when tickets.is_closed then 1 end),
        count(tickets.first_reply_seconds),
        sum(tickets.first_reply_seconds),
        count(tickets.resolution_seconds),
        sum(tickets.resolution_seconds)
    from tickets
    group by tickets.connection_id
    union all
    select
        read_tickets.connection_id,
        0, 0, 0, 0,
        count(case when messages.side = 'customer' then 1 end),
        count(case when messages.is_agent_reply then 1 end),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from read_tickets
    inner join {{ ref('conversation_messages') }} as messages
        on
            read_tickets.connection_id = messages.connection_id
            and read_tickets.ticket_id = messages.ticket_id
            and messages.sent_at is not null
    group by read_tickets.connection_id
    union all
    select
        connection_id,
        0, 0, 0, 0, 0, 0, 0, 0,
        count(wait_seconds),
        sum(wait_seconds),
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    from {{ ref('conversation_turns') }}
    where side = 'customer' and is_answered and ended_at is not null
    group by connection_id
    union all
    select
        connection_id,
        -sum(opened_count),
        -sum(reopened_count),
        -sum(own_reopened_count),
        -sum(closed_count),
        -sum(customer_message_count),
        -sum(agent_reply_count),
        -sum(timed_first_reply_count),
        -sum(first_reply_seconds_sum),
        -sum(timed_answer_count),
        -sum(answer_seconds_sum),
        -sum(resolved_count),
        -sum(resolution_seconds_sum),
        -sum(cohort_ticket_count),
        -sum(cohort_known_conversation_ticket_count),
        -sum(cohort_answered_ticket_count),
        -sum(cohort_closed_ticket_count),
        -sum(cohort_timed_first_reply_count),
        -sum(cohort_first_reply_seconds_sum),
        -sum(cohort_resolved_count),
        -sum(cohort_resolution_seconds_sum)
    from {{ ref('support_daily') }}
    group by connection_id

)

select
    connection_id,
    {% for figure in figures -%}
    sum({{ figure }}) as {{ figure }}{{ ',' if not loop.last }}
    {% endfor %}
from told
group by connection_id
having
    {% for figure in figures -%}
    {{ 'or ' if not loop.first }}coalesce(sum({{ figure }}), 0) <> 0
    {% endfor %}
