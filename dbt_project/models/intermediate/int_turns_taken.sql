{{ config(materialized='incremental', incremental_strategy='due_tickets') }}

with tickets as (

    select * from {{ due(ref('int_tickets_stated')) }} as tickets
    where is_conversation_known

),

messages as (

    select
        messages.*,
        min(case when messages.side = 'customer' then messages.number_by_time end)
            over (partition by messages.connection_id, messages.ticket_id) as first_customer_number
    from {{ due(ref('conversation_messages')) }} as messages
    inner join tickets
        on
            messages.connection_id = tickets.connection_id
            and messages.ticket_id = tickets.ticket_id
    where messages.side is not null

),

messages_beside_neighbours as (

    select
        *,
        lag(side) over thread as side_before,
        lag(sent_at) over thread as sent_at_before
    from messages
    where
        side <> 'unknown'
        -- An opening is no answer.
        and not (note_id is null and side = 'agent' and coalesce(number_by_time > first_customer_number, false))
    window thread as (partition by connection_id, ticket_id order by number_by_time)

),

closings as (

    select
        connection_id,
        ticket_id,
        changed_at as closed_at
    from {{ due(ref('ticket_changes')) }} as changes
    where is_closing

),

-- Who writes after the ticket was closed begins anew: nobody waited while it was.
closings_between as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.number_by_time,
        min(closings.closed_at) as closed_at
    from messages_beside_neighbours as messages
    inner join closings
        on
            messages.connection_id = closings.connection_id
            and messages.ticket_id = closings.ticket_id
            -- A customer who was not answered waits for us all the same.
            and (messages.side = messages.side_before or messages.side_before = 'agent')
            and {{ whole_second('messages.sent_at_before') }} <= {{ whole_second('closings.closed_at') }}
            and {{ whole_second('messages.sent_at') }} > {{ whole_second('closings.closed_at') }}
    group by messages.connection_id, messages.ticket_id, messages.number_by_time

),

messages_at_edges as (

    select
        messages.*,
        closings_between.closed_at as closed_before_at,
        {{ differs('messages.side', 'messages.side_before') }} or closings_between.closed_at is not null as is_first
    from messages_beside_neighbours as messages
    left join closings_between
        on
            messages.connection_id = closings_between.connection_id
            and messages.ticket_id = closings_between.ticket_id
            and messages.number_by_time = closings_between.number_by_time

),

messages_in_turns as (

    select
        *,
        coalesce(lead(is_first) over thread, true) as is_last,
        sum(case when is_first then 1 else 0 end) over thread as turn_number
    from messages_at_edges
    window thread as (partition by connection_id, ticket_id order by number_by_time)

),

turns as (

    select
        connection_id,
        ticket_id,
        cast(turn_number as bigint) as turn_number,
        max(side) as side,
        count(*) as message_count,
        min(number_by_time) as first_number_by_time,
        max(case when is_first then message_number end) as first_message_number,
        max(case when is_last then message_number end) as last_message_number,
        max(case when is_first then author_id end) as first_author_id,
        max(case when is_first then sent_at end) as started_at,
        max(closed_before_at) as closed_before_at,
        max(case when is_last then sent_at end) as last_message_at
    from messages_in_turns
    group by connection_id, ticket_id, turn_number

),

turns_beside_next as (

    select
        *,
        lead(side) over thread as next_side,
        lead(closed_before_at) over thread as closed_between_at,
        lead(first_number_by_time) over thread as next_number_by_time,
        lead(first_message_number) over thread as next_message_number,
        lead(first_author_id) over thread as next_author_id,
        lead(started_at) over thread as next_started_at,
        case
            when side = 'customer' and row_number() over side_of_thread = 1 then 'first'
            when side = 'customer' then 'next'
        end as reply_kind
    from turns
    window
        thread as (partition by connection_id, ticket_id order by turn_number),
        side_of_thread as (partition by connection_id, ticket_id, side order by turn_number)

),

ended_turns as (

    select
        turns.*,
        tickets.integration_type,
        tickets.customer_id,
        tickets.calendar,
        case
            when turns.closed_between_at is not null then 'closed'
            when turns.next_side is not null then 'answered'
            when not tickets.is_closed then 'open'
            when {{ seconds_between('tickets.closed_at', 'turns.started_at') }} > 0 then 'after_closing'
            else 'closed'
        end as end_reason,
        case
            when turns.closed_between_at is not null then turns.closed_between_at
            when turns.next_side is not null then turns.next_started_at
            when {{ seconds_between('turns.started_at', 'tickets.closed_at') }} < 0 then null
            else tickets.closed_at
        end as ended_at
    from turns_beside_next as turns
    inner join tickets
        on
            turns.connection_id = tickets.connection_id
            and turns.ticket_id = tickets.ticket_id

),

-- A message by an unknown author between the first message and the end may have been the answer.
unknown_turns as (

    select distinct
        ended_turns.connection_id,
        ended_turns.ticket_id,
        ended_turns.turn_number
    from ended_turns
    inner join messages
        on
            ended_turns.connection_id = messages.connection_id
            and ended_turns.ticket_id = messages.ticket_id
            and messages.side = 'unknown'
            and ended_turns.first_number_by_time < messages.number_by_time
            and coalesce(ended_turns.next_number_by_time > messages.number_by_time, true)
            and (
                ended_turns.end_reason <> 'closed'
                or coalesce(
                    {{ whole_second('ended_turns.ended_at') }} >= {{ whole_second('messages.sent_at') }}, true
                )
            )

)

select
    turns.connection_id,
    turns.ticket_id,
    turns.turn_number,
    turns.integration_type,
    turns.customer_id,
    turns.side,
    turns.reply_kind,
    turns.first_message_number,
    turns.last_message_number,
    turns.message_count,
    turns.started_at,
    turns.last_message_at,
    turns.end_reason,
    turns.ended_at,
    case when turns.end_reason = 'answered' then turns.next_message_number end as answered_by_message_number,
    case when turns.end_reason = 'answered' then turns.next_author_id end as answered_by_author_id,
    {{ seconds_between('turns.started_at', 'turns.ended_at') }} as wait_seconds,
    {{ business_place('end_opening', 'turns.ended_at') }}
    - {{ business_place('start_opening', 'turns.started_at') }} as wait_business_seconds,
    turns.end_reason = 'answered' as is_answered,
    turns.end_reason = 'open' as is_open,
    unknown_turns.turn_number is not null as has_unknown_author
from ended_turns as turns
left join unknown_turns
    on
        turns.connection_id = unknown_turns.connection_id
        and turns.ticket_id = unknown_turns.ticket_id
        and turns.turn_number = unknown_turns.turn_number
{{ join_opening('start_opening', 'turns.calendar', 'turns.started_at') }}
{{ join_opening('end_opening', 'turns.calendar', 'turns.ended_at') }}
