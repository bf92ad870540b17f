with messages as (

    select
        connection_id,
        ticket_id,
        message_number,
        number_by_time,
        author_role,
        author_id,
        visibility,
        side,
        sent_at,
        is_agent_reply,
        note_id is null as is_opening
    from {{ due(ref('conversation_messages')) }} as messages

),

turns as (

    select
        *,
        end_reason in ('answered', 'closed') as is_ended,
        row_number() over (partition by connection_id, ticket_id order by turn_number desc) as number_from_last
    from {{ due(ref('int_turns_taken')) }} as turns

),

turn_figures as (

    select
        connection_id,
        ticket_id,
        max(case when number_from_last = 1 then side end) as last_turn_side,
        max(case when number_from_last = 1 then started_at end) as last_turn_started_at,
        max(case when number_from_last = 1 then last_message_number end) as last_turn_message_number,
        {{ sum_of_waits('customer', 'wait_seconds') }} as waiting_on_us_seconds,
        {{ sum_of_waits('customer', 'wait_business_seconds') }} as waiting_on_us_business_seconds,
        {{ sum_of_waits('agent', 'wait_seconds') }} as waiting_on_customer_seconds
    from turns
    group by connection_id, ticket_id

),

last_turns as (

    select
        turn_figures.connection_id,
        turn_figures.ticket_id,
        messages.number_by_time as last_number_by_time
    from turn_figures
    inner join messages
        on
            turn_figures.connection_id = messages.connection_id
            and turn_figures.ticket_id = messages.ticket_id
            and turn_figures.last_turn_message_number = messages.message_number

),

first_customer_messages as (

    select
        connection_id,
        ticket_id,
        min(number_by_time) as number_by_time
    from messages
    where side = 'customer'
    group by connection_id, ticket_id

),

waits as (

    select
        messages.connection_id,
        messages.ticket_id,
        messages.sent_at
    from messages
    inner join first_customer_messages
        on
            messages.connection_id = first_customer_messages.connection_id
            and messages.ticket_id = first_customer_messages.ticket_id
            and messages.number_by_time = first_customer_messages.number_by_time

),

message_figures as (

    select
        connection_id,
        ticket_id,
        count(*) as message_count,
        cast(sum(case when side = 'customer' then 1 else 0 end) as bigint)
            as customer_message_count,
        cast(sum(case when side = 'agent' then 1 else 0 end) as bigint) as agent_message_count,
        cast(sum(case when is_agent_reply then 1 else 0 end) as bigint) as agent_reply_count,
        count(distinct case when is_agent_reply then author_id end) as named_agent_count,
        max(case when is_agent_reply and author_id is null then 1 else 0 end) as nameless_reply,
        max(case when side = 'unknown' then number_by_time else 0 end) as last_unknown_number,
        cast(sum(case when author_role = 'bot' then 1 else 0 end) as bigint) as bot_message_count,
        cast(sum(case when visibility = 'internal' then 1 else 0 end) as bigint) as internal_message_count,
        max(case when visibility = 'unknown' then 1 else 0 end) as unknown_visibility,
        max(case when side = 'unknown' then 1 else 0 end) as unknown_author,
        max(case when is_opening then author_role end) as opened_by_role,
        min(case when is_agent_reply then sent_at end) as first_replied_at,
        max(case when side = 'customer' then sent_at end) as last_customer_message_at,
        max(case when side = 'agent' then sent_at end) as last_agent_message_at,
        min(case when side is not null then sent_at end) as first_contact_at,
        max(case when side is not null then sent_at end) as last_contact_at,
        min(sent_at) as first_message_at,
        max(sent_at) as last_message_at
    from messages
    group by connection_id, ticket_id

)

select
    message_figures.connection_id,
    message_figures.ticket_id,
    message_figures.opened_by_role,
    waits.sent_at as first_customer_message_at,
    message_figures.first_replied_at,
    {{ seconds_between('waits.sent_at', 'message_figures.first_replied_at') }}
        as first_reply_seconds,
    message_figures.message_count,
    message_figures.customer_message_count,
    message_figures.agent_message_count,
    message_figures.agent_reply_count,
    case when message_figures.nameless_reply = 0 then message_figures.named_agent_count end as agent_count,
    message_figures.bot_message_count,
    message_figures.internal_message_count,
    message_figures.unknown_visibility = 1 as has_unknown_visibility,
    message_figures.unknown_author = 1 as has_unknown_author,
    message_figures.first_message_at,
    message_figures.last_message_at,
    message_figures.first_contact_at,
    message_figures.last_contact_at,
    message_figures.last_customer_message_at,
    message_figures.last_agent_message_at,
    turn_figures.last_turn_side,
    turn_figures.last_turn_started_at,
    message_figures.last_unknown_number > coalesce(last_turns.last_number_by_time, 0) as has_unknown_after_last_turn,
    case when turn_figures.ticket_id is null then 0 else turn_figures.waiting_on_us_seconds end
        as waiting_on_us_seconds,
    case when turn_figures.ticket_id is null then 0 else turn_figures.waiting_on_us_business_seconds end
        as waiting_on_us_business_seconds,
    case when turn_figures.ticket_id is null then 0 else turn_figures.waiting_on_customer_seconds end
        as waiting_on_customer_seconds
from message_figures
left join waits
    on
        message_figures.connection_id = waits.connection_id
        and message_figures.ticket_id = waits.ticket_id
left join turn_figures
    on
        message_figures.connection_id = turn_figures.connection_id
        and message_figures.ticket_id = turn_figures.ticket_id
left join last_turns
    on
        message_figures.connection_id = last_turns.connection_id
        and message_figures.ticket_id = last_turns.ticket_id
