-- Each turn is answered by the first message of the next one, if that is of the other side; if it is of the same side, or
-- an agents' turn was closed, a closing lies between the two. Only the last one may be open.
with turns as (

    select
        *,
        lead(turn_number) over ticket as next_turn_number,
        lead(side) over ticket as next_side,
        lead(started_at) over ticket as next_started_at,
        lead(first_message_number) over ticket as next_message_number,
        row_number() over ticket as counted_number,
        min(case when side = 'customer' then turn_number end) over (partition by connection_id, ticket_id)
            as first_customer_number
    from {{ ref('conversation_turns') }}
    window ticket as (partition by connection_id, ticket_id order by turn_number)

)

select *
from turns
where
    turn_number <> counted_number
    or is_answered <> coalesce(next_side <> side and not (side = 'agent' and end_reason = 'closed'), false)
    or (end_reason = 'answered') <> is_answered
    or (end_reason = 'open') <> is_open
    or (end_reason in ('open', 'after_closing') and next_turn_number is not null)
    or (
        not is_answered and next_side is not null
        and not coalesce(
            end_reason = 'closed'
            and {{ whole_second('ended_at') }} >= {{ whole_second('last_message_at') }}
            and {{ whole_second('ended_at') }} < {{ whole_second('next_started_at') }},
            false
        )
    )
    or {{ differs('answered_by_message_number', 'case when is_answered then next_message_number end') }}
    or (is_answered and {{ differs('ended_at', 'next_started_at') }})
    or {{ differs(
        'reply_kind',
        "case when side = 'customer' and turn_number = first_customer_number then 'first' "
        ~ "when side = 'customer' then 'next' end"
    ) }}
