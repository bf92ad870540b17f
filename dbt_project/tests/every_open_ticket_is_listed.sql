-- Every ticket that is neither closed, deleted, spam nor merged is in open_tickets, and nothing else is.
select
    coalesce(tickets.connection_id, open_tickets.connection_id) as connection_id,
    coalesce(tickets.ticket_id, open_tickets.ticket_id) as ticket_id,
    tickets.status,
    tickets.kind
from {{ ref('tickets') }} as tickets
full outer join {{ ref('open_tickets') }} as open_tickets
    on
        tickets.connection_id = open_tickets.connection_id
        and tickets.ticket_id = open_tickets.ticket_id
where
    (open_tickets.ticket_id is not null)
    <> coalesce(
        tickets.status <> 'closed' and tickets.deleted_at is null and tickets.kind not in ('spam', 'merged'), false
    )
    or open_tickets.is_unassigned <> (open_tickets.assignee_user_id is null)
    or (open_tickets.ticket_id is not null and {{ differs('open_tickets.waiting_since_at', 'tickets.waiting_since_at') }})
